"""Everything that only a graphics card can say, in one command that waits for one (docs/gpu.md).

    python3 -m benchmarks.gpu                  on the card, all parts
    python3 -m benchmarks.gpu --rehearse       every part on the CPU, at toy size

__main__.py    runs the parts, each in a process and a time of its own
part.py        one part in this process
parts.py       which parts there are, what they need, what they may take
bench.py       what a part is given: device, time left, files
summary.py     the table at the end
bundle.py      what a bare machine lacks, gathered here and laid out there
"""
