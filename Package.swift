// swift-tools-version: 6.0
import PackageDescription

// Dependencies point downwards only (Documentation/design.md §3):
// C modules < Configuration, LinearAlgebra < NeuralNetworks, Datasets < system modules < Experiments < simengine.
let package = Package(
  name: "simengine",
  products: [
    .executable(name: "simengine", targets: ["simengine"]),
    .library(name: "LinearAlgebra", targets: ["LinearAlgebra"]),
    .library(name: "NeuralNetworks", targets: ["NeuralNetworks"]),
    .library(name: "Crossbars", targets: ["Crossbars"]),
    .library(name: "Compression", targets: ["Compression"]),
    .library(name: "Datasets", targets: ["Datasets"]),
    .library(name: "Experiments", targets: ["Experiments"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    .systemLibrary(
      name: "CBLAS", path: "CBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev", "liblapacke-dev"])]),
    .systemLibrary(name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CKernels"),
    .target(name: "Configuration"),
    .target(name: "LinearAlgebra", dependencies: ["CBLAS", "CKernels"]),
    .target(name: "NeuralNetworks", dependencies: ["LinearAlgebra", "CKernels"]),
    .target(name: "Crossbars", dependencies: ["NeuralNetworks", "LinearAlgebra", "CKernels", "CBLAS"]),
    .target(name: "Compression", dependencies: ["NeuralNetworks", "LinearAlgebra"]),
    .target(name: "Datasets", dependencies: ["Configuration", "LinearAlgebra", "CZlib"]),
    .target(
      name: "Experiments",
      dependencies: ["Configuration", "Datasets", "NeuralNetworks", "Crossbars", "Compression"]),
    .executableTarget(
      name: "simengine",
      dependencies: [
        "Configuration", "Experiments", "LinearAlgebra",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // Interposes malloc: for test executables only.
    .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
    .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra"]),
    .testTarget(
      name: "NeuralNetworksTests",
      dependencies: ["NeuralNetworks", "Compression", "Datasets", "LinearAlgebra", "CKernels", "CAllocationCounter"],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "CrossbarsTests",
      dependencies: ["Crossbars", "NeuralNetworks", "Configuration", "LinearAlgebra", "CBLAS", "CKernels"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "CompressionTests", dependencies: ["Compression", "NeuralNetworks", "LinearAlgebra"]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets"], resources: [.copy("Fixtures")]),
    .testTarget(name: "ExperimentsTests", dependencies: ["Experiments", "Configuration", "Datasets"]),
  ]
)
