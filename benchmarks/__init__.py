"""Measurements, each runnable alone; gpu/ holds those that wait for a graphics card."""
