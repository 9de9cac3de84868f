"""Tables, figures and one report from whatever metrics exist, beside the paper's numbers."""
