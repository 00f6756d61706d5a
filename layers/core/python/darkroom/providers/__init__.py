"""Who makes what: the order of providers, how they are, what their calls cost and made before."""
