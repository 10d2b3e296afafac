"""All that is Faust's: the app with an agent a topic, and the transport that hands it one message a fetch.

docs/specs/transport.md says what the transport guarantees, and which of Faust's hazards each part removes.
"""
