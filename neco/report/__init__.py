"""The report: metrics files come in, tables, figures and one HTML page come out.

They show this project's numbers beside the paper's. Each part imports only from those above it:

markup       what all written texts share: the frame of an HTML page, escapes for Markdown
scores       our numbers: the models, seeds of a run together, how far from the paper's conditions
tables       the paper's tables with our numbers beside its own
needs        which files a table or a figure is made from, before anything ran
claims       what the paper's tables say, held against our numbers
summary      each model's headline scores, and what runs gain over their starts
figures      the figures, each in the module of its number
page         the report in one HTML file, and its captions
"""
