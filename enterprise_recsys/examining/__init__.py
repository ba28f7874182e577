"""What is served is what is measured: the stages of a recommender, what each loses, and others beside them."""
