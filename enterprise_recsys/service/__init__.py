"""The HTTP door: a request becomes one call on the recommender, and a fault becomes problem JSON."""
