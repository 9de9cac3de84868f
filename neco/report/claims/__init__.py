"""The paper's claims: tables come in, what they say comes out, held against our numbers.

verify       every claim of every table, and whether it holds here
render       the claims on the terminal, as Markdown, CSV and HTML
"""
