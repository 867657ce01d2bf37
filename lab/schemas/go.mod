module posefleet.io/lab/schemas

go 1.26.0

// For the CustomResourceDefinitions among its files: no package of it is built.
require github.com/prometheus-operator/prometheus-operator v0.85.0 // indirect
