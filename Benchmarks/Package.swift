// swift-tools-version: 6.0
import PackageDescription

// Its own package, so that users of the engine never resolve what only benchmarks need.
let package = Package(
  name: "SimengineBenchmarks",
  dependencies: [.package(name: "simengine", path: "..")],
  targets: [
    .executableTarget(
      name: "SimengineBenchmarks",
      dependencies: [
        .product(name: "LinearAlgebra", package: "simengine"), .product(name: "NeuralNetworks", package: "simengine"),
        .product(name: "Crossbars", package: "simengine"), .product(name: "Compression", package: "simengine"),
        .product(name: "Datasets", package: "simengine"),
      ])
  ]
)
