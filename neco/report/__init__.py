"""The report: metrics files come in, tables, figures and one HTML page come out.

They show this project's numbers beside the paper's.

needs.py         what a part is made from, before anything ran; arrangement.py: cell by cell
models.py        models.json; groups.py: seeds of a run together, and their names
measured.py      our numbers; scale.py: how far they are from the paper's conditions
tables.py        a table with both; cells.py: its parts; render.py: its files
claims.py, gains.py, verify.py, summary.py     what our numbers say
given.py, style.py, pictures.py                what figures share; one module per kind of figure
html.py, captions.py, curves.py, page.py       the report in one file
"""
