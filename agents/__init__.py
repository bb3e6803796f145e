"""Analyst, Designer and Validator: who reads evidence, who proposes networks, who checks them."""
