"""Simple, strong methods beside the model in every report."""
