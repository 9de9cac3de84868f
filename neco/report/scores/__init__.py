"""Our numbers: models and metrics files come in, one score for each group and setting comes out.

models       models.json: what is known of every model and its training
groups       all training seeds of a run together, under the names of the tables' rows
measured     the scores of groups, read from metrics files
scale        how far a result is from the paper's conditions, in words
"""
