"""The truth meter: indicators, true fronts, scores, controls and statistics.

Nothing here proposes cells for the product; everything here says how good cells are.
"""
