"""Search spaces, partitions, proxies, predictor, latency and data: everything that measures."""
