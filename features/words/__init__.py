"""How a feature is spoken of: codes and sentences, units, and what is usual."""
