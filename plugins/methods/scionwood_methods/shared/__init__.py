"""The parts that several methods share: configs, layers, tuners and checks of layers."""
