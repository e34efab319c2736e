/// Data sets from a user's own files.
extension LabelledImages {
  /// One part from an array of images and one of labels, as read from IDX or .npy files.
  ///
  /// - images: [N, height, width], [N, height, width, channels] or [N, features]; uint8 stays bytes (value = byte /
  ///   scale), every other type is taken as it is.
  /// - labels: [N], of an integer type.
  /// - Parameter classes: the number of classes, or nil to take the highest label plus one.
  /// - Throws: `DataError` if shapes or types do not fit, a value is not finite, or as the other `init` does.
  public init(
    images: NumericArray, imagesName: String, labels: NumericArray, labelsName: String, classes: Int? = nil,
    scale: Float = 255
  ) throws {
    guard (2...4).contains(images.shape.count) else {
      throw DataError(
        "\(imagesName): has the shape \(shapeText(images.shape)), expected [N, height, width], "
          + "[N, height, width, channels] or [N, features]")
    }
    guard labels.shape.count == 1 else {
      throw DataError("\(labelsName): has the shape \(shapeText(labels.shape)), expected one label an image, [N]")
    }
    guard let numbers = labels.integers else {
      throw DataError("\(labelsName): holds \(labels.typeName), labels must be integers below 2^63")
    }
    if let index = images.firstNonFinite {
      let size = max(1, images.count / max(1, images.shape[0]))
      throw DataError("\(imagesName): sample \(index / size) holds NaN or infinity, finite values were expected")
    }
    guard images.shape[0] == numbers.count else {
      throw DataError(
        "\(imagesName): has \(images.shape[0]) images, \(labelsName) has \(numbers.count) labels; they must agree")
    }
    let highest = numbers.max() ?? 0
    guard highest < 1 << 20 else {
      throw DataError("\(labelsName): has a label of \(highest), at most \((1 << 20) - 1) was expected")
    }
    var shape = Array(images.shape.dropFirst())
    if shape.count == 2 { shape.append(1) }
    let values: Values =
      if case .uint8(let bytes) = images.elements { .bytes(bytes, scale: scale) } else { .floats(images.floats) }
    try self.init(
      sampleShape: shape, values: values, labels: numbers, classes: classes ?? highest + 1, imagesName: imagesName,
      labelsName: labelsName)
  }
}

extension ImageDataset {
  /// Two files that belong together.
  public struct Pair: Equatable, Sendable {
    public let images: String
    public let labels: String

    public init(images: String, labels: String) { (self.images, self.labels) = (images, labels) }
  }

  /// A data set from IDX files, plain or gzipped.
  /// - Parameter classNames: nil names the classes "0", "1", … up to the highest label of both parts.
  /// - Throws: `DataError` as `IDX.read` and the checks of `LabelledImages` do.
  public static func idx(name: String, train: Pair, test: Pair, classNames: [String]? = nil) throws -> ImageDataset {
    try paired(name: name, train: train, test: test, classNames: classNames, read: IDX.read)
  }

  /// A data set from .npy files: X [N, H, W, C], [N, H, W] or [N, features]; y [N] of an integer type.
  /// - Throws: `DataError` as `Npy.read` and the checks of `LabelledImages` do.
  public static func npy(name: String, train: Pair, test: Pair, classNames: [String]? = nil) throws -> ImageDataset {
    try paired(name: name, train: train, test: test, classNames: classNames, read: Npy.read)
  }

  /// A data set from CIFAR's binary files.
  /// - Parameter coarse: whether CIFAR-100's 20 superclasses are the labels.
  /// - Throws: `DataError` as `CIFAR.read` does, or if a part has no files.
  public static func cifar(
    name: String, _ variant: CIFAR.Variant, train: [String], test: [String], coarse: Bool = false
  ) throws -> ImageDataset {
    let coarse = coarse && variant == .cifar100
    let classNames = coarse ? ClassNames.cifar100Coarse : variant == .cifar10 ? ClassNames.cifar10 : ClassNames.cifar100
    func part(_ paths: [String], _ split: Split) throws -> LabelledImages {
      guard let first = paths.first else { throw DataError("\(name): no \(split.rawValue) files were given") }
      let records = try CIFAR.read(paths, variant)
      return try LabelledImages(
        sampleShape: [CIFAR.side, CIFAR.side, 3], values: .bytes(records.pixels, scale: 255),
        labels: coarse ? records.coarseLabels : records.labels, classes: classNames.count, imagesName: first,
        labelsName: first)
    }
    return try ImageDataset(name: name, classNames: classNames, train: part(train, .train), test: part(test, .test))
  }

  private static func paired(
    name: String, train: Pair, test: Pair, classNames: [String]?, read: (String) throws -> NumericArray
  ) throws -> ImageDataset {
    func part(_ pair: Pair) throws -> LabelledImages {
      try LabelledImages(
        images: read(pair.images), imagesName: pair.images, labels: read(pair.labels), labelsName: pair.labels,
        classes: classNames?.count)
    }
    let (trainPart, testPart) = (try part(train), try part(test))
    let highest = max(trainPart.labels.max() ?? 0, testPart.labels.max() ?? 0)
    return try ImageDataset(
      name: name, classNames: classNames ?? (0...highest).map(String.init), train: trainPart, test: testPart)
  }
}
