"""How the demo catalogue is made: looks, words, numbers, sales and the mess of real tables."""
