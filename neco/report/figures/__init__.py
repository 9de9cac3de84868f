"""Figures: what `needs` names comes in, a PNG and a PDF of each figure come out.

neco/paper/figures.py names the function that draws each.

figure_1     the method; method: what it shows, computed on a real batch
figure_2     in-context segmentation with fewer training images
figure_3, figure_7      labels over images: ground truth, and segments found without labels
figures_4_and_5         nearest patches; nearest: which these are
figure_6, overlays      clusters and predictions of both models; clusters: their maps and colours
curves       training curves
given        the files that a figure is drawn from
pictures     pictures of a dataset in rows and columns
style        one look and the colours of all figures
"""
