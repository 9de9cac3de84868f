"""Nearest neighbours among the labelled patches of a memory bank (in-context segmentation).

bank.py          keys and their soft labels, held in memory or in a file
fill_bank.py     where patches come from: cached features, or changed images
backends.py      one interface over all backends, and how far an approximate one is off
exact.py         exact search: two passes with a proof, or one in float32
half_pass.py     the first pass: candidates in half precision, with a bound on all other keys
second_pass.py   the second pass: what the bound did not prove
selection.py     the largest scores of each row, a bank's keys block by block
eight_bit.py     8-bit stand-ins of the keys
libraries.py     backends of other libraries: faiss and ScaNN
"""
