"""Benchmarks: what confirm costs, how it compares with plain peers, and how long a film takes.

``python -m bench`` prints one table; see README.md for how to read it. Counts are exact and the
same on every run; times are this machine's, so only their ratios travel.
"""
