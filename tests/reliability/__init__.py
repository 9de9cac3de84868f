"""Kills and damaged inputs: nothing lost, nothing silent, no traceback, no hang."""
