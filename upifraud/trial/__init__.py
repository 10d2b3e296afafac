"""A trial of the model on somebody's history: trained on the earlier part, judged on the later part."""
