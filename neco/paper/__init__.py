"""What the paper says, in one place. Nothing that this project measured is in it.

reported.csv, reported.py   its 571 numbers
tables.py                   its tables: title, caption, columns, rows, what each measures
figures.py                  its figures, by number: caption, what each is made from, how it is drawn
conditions.py               under which conditions it measured: image counts, training, input sizes
"""
