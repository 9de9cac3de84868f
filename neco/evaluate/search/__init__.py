"""Nearest neighbours among the labelled patches of a memory bank (in-context segmentation).

Tokens of queries come in, and the nearest keys of the bank come out.

bank.py          keys and their soft labels, held in memory or in a file
fill_bank.py     where patches come from: cached features, or augmented images
backends.py      one interface for all backends, and the recall of an approximate one
exact.py         exact search: two passes with a proof, or one in float32
half_pass.py     the first pass: candidates in half precision, with a bound on all other keys
second_pass.py   the second pass: queries that the bound left open
selection.py     the largest scores of each row, and a bank's keys block by block
eight_bit.py     keys in 8 bits, for the first pass
libraries.py     backends of other libraries: faiss and ScaNN
"""
