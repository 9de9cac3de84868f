"""The summary: scores come in, headline scores, gains and differences of all models come out.

paired       how far models lie above one of them, by a paired bootstrap over images
gains        headline scores, gains over starts, and sentences that say what they mean
render       the summary on the terminal, as Markdown, CSV and HTML
"""
