"""How the two stages are taught: staged or joint, chosen on validation, then learnt again on all data."""
