"""Feature extractors with a price: images with named bands to vectors. Below `inference`."""
