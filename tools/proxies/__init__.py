"""Zero-cost proxies: scores of an untrained network, computed live in torch.

`table` lists the 13 proxies and what each needs, `passes` runs the network once for all of them,
`measures` holds the formulas, `compute` is the door (`compute_proxies`, `score`), `tabulate`
fills whole tables. Importing this package imports nothing heavy.
"""
