"""Measurements, each runnable alone; gpu/ holds those that wait for a graphics card.

records.py   JSON lines that an abort leaves whole, for all of them
"""
