"""Backbones side by side on anybody's images (see docs/compare.md).

candidates   what `--backbone` names: a network and its weights
folders      what `--data` names: a prepared dataset, its splits, what they can be asked
measure      features and metrics of one backbone on one dataset, each made once and kept
differences  the paired bootstrap over images
table        the numbers as a table for people, JSON and CSV
page         one HTML file: the table, curves, overlays, nearest patches
run          all of it, in order
"""
