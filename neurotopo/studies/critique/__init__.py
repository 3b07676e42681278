"""The study ``critique``: the knowledge-neuron thesis under test, with grammar beside facts."""
