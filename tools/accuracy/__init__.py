"""What is believed about accuracies nobody has measured: models, intervals, drift."""
