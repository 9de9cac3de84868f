"""What the evaluations' fast paths take, beside what a user would write.

    python -m benchmarks.evaluation            all parts, a table

__main__.py    runs the parts and prints or keeps what they took
cases.py       every fast path and its alternatives, at three sizes
measure.py     time, peak memory, made-up features
full_bank.py   the paper's memory bank at its full size
"""
