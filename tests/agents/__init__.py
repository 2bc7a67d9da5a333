"""Tests with real agent clients, and what starts them."""
