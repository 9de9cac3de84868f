"""Datasets: official archives or your own folder come in, one common layout comes out.

dataset.py has that layout, and everything after preparation reads it. prepare.py is the way in.
Each official dataset has a module of its name with a function

    build(archives, work, prepared, workers) -> Description

archives: the folder that holds the archives. work: the folder that the dataset is written to.
prepared: the folder of all prepared datasets. workers: how many processes share the work, None for
one on each core. It raises UserError for archives that are missing, damaged or not the official
ones. The folder `folder` does the same for your own images.
"""
