"""An evaluation as a page that one likes to look at: self-contained HTML, the same as JSON, and plots."""
