"""Our own clients of Kafka: the poll thread and its ledgers, publishing, and what is asked of topics. No Faust."""
