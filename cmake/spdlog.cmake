set(spdlog_object "")
