"""CSMoE: a cross-sensor masked autoencoder with soft mixture-of-experts layers."""
