"""The paper's tables: a table's name and scores come in, its files with both numbers come out.

arrangement  rows and columns, and where each cell's number is; nothing is read for it
cells        a cell, a row, a table and its footer
build        the table, filled with the paper's numbers and ours
render       the table as CSV, Markdown, LaTeX and HTML
"""
