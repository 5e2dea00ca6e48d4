"""The parts of endurance.py: who asks, who swaps, who watches."""
