"""Figures: what `needs` names comes in, a PNG and a PDF of each figure come out.

neco/paper/figures.py names the function that draws each.

figure_1     the method; method: what it shows, computed on a real batch
figure_2     in-context segmentation with fewer training images
labels       figures 3 and 7: labels over images
nearest      figures 4 and 5: nearest patches
overlays     figure 6 and overlays: clusters and predictions of both models
curves       training curves
given        the files that a figure is drawn from
pictures     pictures of a dataset in rows and columns
style        one look and the colours of all figures
"""
