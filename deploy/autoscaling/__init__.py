"""A small model of KEDA, the HorizontalPodAutoscaler and a consumer group, to choose the scaling settings with."""
