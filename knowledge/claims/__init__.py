"""What measured networks say of claims: pairs, evidence, life cycle, conflicts, audit."""
