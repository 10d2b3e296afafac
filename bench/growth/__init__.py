"""How the cost of a payment grows: with payments per entity, entities, the model, workers, the micro-batch."""
