import Configuration
import Datasets
import NeuralNetworks

/// A data set: a named one, or files.
public struct DataConfiguration: Configurable {
  public enum Format: String, CaseIterable, Sendable {
    case idx
    case npy
    case cifarBinary = "cifar-binary"
    case cifar100Binary = "cifar-100-binary"
  }
  /// The files of one part.
  public enum Files: Equatable, Sendable {
    case pair(images: String, labels: String)
    case list([String])
  }
  public struct FilePair: Configurable {
    public var images = ""
    public var labels = ""
    public init() {}
    public static let documentation = "The files of one part of a data set."
    public static let fields: [Field<FilePair>] = [
      Field("images", \.images, .text, "File of the images, or features.", required: true),
      Field("labels", \.labels, .text, "File of the labels.", required: true),
    ]
  }
  public struct Normalize: Configurable {
    public var mean: [Double] = [0]
    public var deviation: [Double] = [1]
    public init() {}
    public static let documentation = "(value − mean) / deviation, for all channels or for each."
    public static let fields: [Field<Normalize>] = [
      Field("mean", \.mean, .oneOrList(of: .number()), "Subtracted from every value."),
      Field("deviation", \.deviation, .oneOrList(of: .number(.above(0))), "Every value is divided by it."),
    ]
  }
  public struct Augment: Configurable {
    public var padding = 0
    public var flip = false
    public init() {}
    public static let documentation = "Random changes of training images."
    public static let fields: [Field<Augment>] = [
      Field("padding", \.padding, .integer(0...64, unit: "pixel"), "Zeros around the image before a random crop."),
      Field("flip", \.flip, .boolean, "Mirrors half of the images left to right."),
    ]
  }
  public struct Imbalance: Configurable {
    public var classes: [Int] = []
    public var keep = 0.1
    public var seed: UInt64 = 1
    public init() {}
    public static let documentation = "Makes some classes of the training part rare."
    public static let fields: [Field<Imbalance>] = [
      Field("classes", \.classes, .list(of: .integer(0...), count: 1...), "Their numbers.", required: true),
      Field("keep", \.keep, .number(.above(0, through: 1)), "Share of their training samples that stay."),
      Field("seed", \.seed, .seed, "Of the draw of those that stay."),
    ]
  }
  public struct Limit: Configurable {
    public var train: Int?
    public var test: Int?
    public init() {}
    public static let documentation = "Takes the first samples only."
    public static let fields: [Field<Limit>] = [
      Field("train", \.train, .optional(.integer(1...)), "Samples of the training part."),
      Field("test", \.test, .optional(.integer(1...)), "Samples of the test part."),
    ]
  }

  public var dataset: String?
  public var format: Format?
  public var train: Files?
  public var test: Files?
  public var folder: String?
  public var limit: Limit?
  public var validation = 0.0
  public var imbalance: Imbalance?
  public var normalize: Normalize?
  public var augment: Augment?

  public init() {}

  private static let files = Codec<Files?>.optional(
    .either(
      .form(.list(of: .text, count: 1...), Files.list) { if case .list(let v) = $0 { v } else { nil } },
      .form(
        Codec<FilePair>.object(), { Files.pair(images: $0.images, labels: $0.labels) }
      ) {
        guard case .pair(let images, let labels) = $0 else { return nil }
        var pair = FilePair()
        (pair.images, pair.labels) = (images, labels)
        return pair
      }))

  public static let documentation = "A data set: a named one (`simengine list datasets`), or files."
  public static let fields: [Field<DataConfiguration>] = [
    Field("dataset", \.dataset, .optional(.choice(DatasetRegistry.names)), "A named data set."),
    Field("folder", \.folder, .optional(.text), "Where the named data set's files are, if not in a usual place."),
    Field("format", \.format, .optional(.choice), "Format of the files below."),
    Field("train", \.train, files, "Files of the training part: images and labels, or a list of CIFAR batches."),
    Field("test", \.test, files, "Files of the test part."),
    Field("limit", \.limit, .optional(.object(shorthand: "train")), "Takes the first samples only."),
    Field(
      "validation", \.validation, .number(0...),
      "Held out of the end of the training part: a share below 1, or a number of samples."),
    Field(
      "imbalance", \.imbalance, .optional(.object()),
      "Makes some classes of the training part rare; what is held out for validation stays as it is."),
    Field("normalize", \.normalize, .optional(.object()), "Shifts and scales values; pixels are byte/255 before it."),
    Field("augment", \.augment, .optional(.object()), "Random changes of training images."),
  ]

  public mutating func check(_ report: inout Report) {
    switch (dataset, format) {
    case (nil, nil): report.error("names no data", hint: "give \"dataset\", or \"format\" with \"train\" and \"test\"")
    case (.some, .some): report.error("stands beside \"dataset\"", at: "format", hint: "use one of the two")
    case (nil, .some(let format)):
      if train == nil { report.error("lacks the key \"train\"", hint: "the files of the training part") }
      if test == nil { report.error("lacks the key \"test\"", hint: "the files of the test part") }
      for (name, files) in [("train", train), ("test", test)] {
        guard let files else { continue }
        let isCIFAR = format == .cifarBinary || format == .cifar100Binary
        if case .list = files, !isCIFAR {
          report.error(
            "is a list of files", at: name, hint: "\(format.rawValue) wants { \"images\": …, \"labels\": … }")
        }
        if case .pair = files, isCIFAR {
          report.error("is a pair of files", at: name, hint: "\(format.rawValue) wants a list of batch files")
        }
      }
    default: break
    }
    if validation >= 1, validation != validation.rounded() {
      report.error("\(validation) is neither a share below 1 nor a whole number", at: "validation")
    }
  }

  /// Every file that must exist, with the key that names it. Relative paths start from the configuration's folder.
  var paths: [(key: String, path: String)] {
    var result: [(String, String)] = []
    for (name, files) in [("train", train), ("test", test)] {
      switch files {
      case .pair(let images, let labels): result += [("\(name).images", images), ("\(name).labels", labels)]
      case .list(let list): result += list.enumerated().map { ("\(name).\($0.offset)", $0.element) }
      case nil: break
      }
    }
    return result
  }

  /// Scores keep a table of classes × classes.
  private static let largestClassCount = 10_000

  /// Reads the data. - Parameter resolve: makes a path of the configuration absolute.
  /// - Throws: `DataError` naming the file.
  func load(name: String, resolve: (String) -> String) throws -> ImageDataset {
    var set: ImageDataset
    if let dataset {
      set = try DatasetRegistry.named(dataset).load(folder: folder.map(resolve))
    } else {
      func pair(_ files: Files?) -> ImageDataset.Pair {
        guard case .pair(let images, let labels) = files else { preconditionFailure("checked when decoded") }
        return ImageDataset.Pair(images: resolve(images), labels: resolve(labels))
      }
      func list(_ files: Files?) -> [String] {
        guard case .list(let list) = files else { preconditionFailure("checked when decoded") }
        return list.map(resolve)
      }
      switch format {
      case .idx: set = try ImageDataset.idx(name: name, train: pair(train), test: pair(test))
      case .npy: set = try ImageDataset.npy(name: name, train: pair(train), test: pair(test))
      case .cifarBinary: set = try ImageDataset.cifar(name: name, .cifar10, train: list(train), test: list(test))
      case .cifar100Binary:
        set = try ImageDataset.cifar(name: name, .cifar100, train: list(train), test: list(test))
      case nil: preconditionFailure("checked when decoded")
      }
    }
    guard set.classes <= Self.largestClassCount else {
      throw RunError(
        "\(name): the largest label makes \(set.classes) classes, at most \(Self.largestClassCount) are supported; are these "
          + "class numbers?")
    }
    if let limit { set = try set.limited(train: limit.train, test: limit.test) }
    if validation >= 1 {
      set = try set.withValidation(count: Int(validation))
    } else if validation > 0 {
      set = try set.withValidation(fraction: validation)
    }
    if let imbalance {
      set = try set.imbalanced(classes: imbalance.classes, keeping: imbalance.keep) {
        RandomPurpose.imbalance.stream(seed: imbalance.seed, index: UInt64($0)).permutation($1)
      }
    }
    return set
  }
}
