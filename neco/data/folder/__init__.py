"""A folder of your own images, with or without labels, becomes a dataset (see docs/data.md).

walk      which files there are, and which are passed over
pairs     a guess at how images and masks are named, from the paths alone
match     which image has which labels
splits    which image belongs to which split
plan      what the three before have found, and dataset.yaml
classes   which class every id or colour means
build     checked images and masks in the common layout
look      what was found, in words and as a dataset.yaml to edit
"""
