"""What is known besides the model, kept for good: events, items, users, what was shown; one interface, two stores."""
