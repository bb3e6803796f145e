"""The truth meter: indicators, scores, controls and statistics.

Nothing here proposes networks for the product; everything here says how good networks are.
"""
