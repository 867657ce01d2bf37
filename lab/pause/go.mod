module posefleet.io/lab/pause

go 1.25
