import Configuration

/// A data set that a config can name: what it is, whose it is, where its files lie, how it is read.
public struct NamedDataset: Sendable {
  /// One of its files.
  public struct File: Equatable, Sendable {
    /// Path within a data folder, or within the Debian package's folder.
    public let path: String
    public let bytes: Int
    /// Of the file as it lies on the disk, in hexadecimal.
    public let sha256: String
  }

  /// How a user comes to have it.
  public enum Origin: Equatable, Sendable {
    /// It is part of this project.
    case embedded
    /// A Debian package installs it into `folder`; `local` is where else it may lie, within a data folder.
    case debian(package: String, folder: String, local: String)
    /// The user fetches an archive and unpacks it in the folder SIMENGINE_DATA names.
    case archive(url: String, sha256: String, folder: String)
  }

  enum Layout: Sendable {
    case idx
    case idxSplit(train: Int)
    case cifar(CIFAR.Variant)
  }

  public let name: String
  public let description: String
  /// [height, width, channels]
  public let sampleShape: [Int]
  public let classNames: [String]
  public let trainCount: Int
  public let testCount: Int
  public let licence: String
  public let source: String
  public let files: [File]
  public let origin: Origin
  /// What a byte is divided by to be a value.
  public let scale: Float
  let layout: Layout

  /// Number of classes.
  public var classes: Int { classNames.count }

  /// What the user has to do to have the data: one or two sentences.
  public var fetchAdvice: String {
    switch origin {
    case .embedded: "\(name): nothing to do, the data are part of this project (Data/images)."
    case .debian(let package, let folder, let local):
      "\(name): run `apt-get install \(package)`, which puts the files into \(folder); "
        + "elsewhere put the four .gz files into $\(DataLocation.variable)/\(local)."
    case .archive(let url, let sha256, let folder):
      "\(name): fetch \(url) (SHA-256 \(sha256)) and unpack it with `tar xzf` in the folder that "
        + "\(DataLocation.variable) names, so that $\(DataLocation.variable)/\(folder) holds "
        + "\(files.map { Self.lastName($0.path) }.joined(separator: ", "))."
    }
  }

  /// The paths of its files, in the order of `files`.
  /// - Parameters:
  ///   - folder: the folder that holds the files themselves, as a config gives it; nil searches.
  ///   - location: where to search.
  /// - Throws: `DataError` that says where was looked and what to do.
  public func paths(folder: String? = nil, location: DataLocation = .current) throws -> [String] {
    if let folder {
      let paths = files.map { folder + "/" + Self.lastName($0.path) }
      if let missing = paths.first(where: { !DurableFile.isFile($0) }) {
        throw DataError("\(missing): no such file. \(fetchAdvice)")
      }
      return paths
    }
    if case .debian(_, let installed, _) = origin {
      let paths = files.map { installed + "/" + Self.lastName($0.path) }
      if paths.allSatisfy(DurableFile.isFile) { return paths }
    }
    do {
      let found = try location.folder(with: files.map(\.path))
      return files.map { found + "/" + $0.path }
    } catch let error as DataError {
      throw DataError("\(error). \(fetchAdvice)")
    }
  }

  /// Reads it.
  /// - Parameters: as for `paths`.
  /// - Throws: `DataError` if files are missing or damaged, or do not hold what this entry says.
  public func load(folder: String? = nil, location: DataLocation = .current) throws -> ImageDataset {
    let paths = try paths(folder: folder, location: location)
    let dataset: ImageDataset
    switch layout {
    case .idx:
      dataset = try ImageDataset.idx(
        name: name, train: .init(images: paths[0], labels: paths[1]), test: .init(images: paths[2], labels: paths[3]),
        classNames: classNames)
    case .idxSplit(let train):
      let all = try LabelledImages(
        images: IDX.read(paths[0]), imagesName: paths[0], labels: IDX.read(paths[1]), labelsName: paths[1],
        classes: classes, scale: scale)
      guard all.count > train else { throw unexpected(paths[0], "\(all.count) images", "\(train + testCount)") }
      dataset = try ImageDataset(
        name: name, classNames: classNames, train: all.subset(0..<train), test: all.subset(train..<all.count))
    case .cifar(let variant):
      dataset = try ImageDataset.cifar(name: name, variant, train: paths.dropLast(), test: paths.suffix(1))
    }
    guard dataset.sampleShape == sampleShape else {
      throw unexpected(paths[0], "samples of \(shapeText(dataset.sampleShape))", shapeText(sampleShape))
    }
    guard dataset.train.count == trainCount, dataset.test.count == testCount else {
      throw unexpected(
        paths[0], "\(dataset.train.count) training and \(dataset.test.count) test samples",
        "\(trainCount) and \(testCount)")
    }
    return dataset
  }

  /// What became of one file's checksum.
  public struct Check: Equatable, Sendable {
    public let path: String
    public let expected: String
    public let found: String

    public var isGood: Bool { expected == found }
  }

  /// The SHA-256 of every file beside the one it should have.
  /// - Parameters: as for `paths`.
  /// - Throws: `DataError` if a file is missing or cannot be read.
  public func verify(folder: String? = nil, location: DataLocation = .current) throws -> [Check] {
    try zip(files, paths(folder: folder, location: location)).map { file, path in
      Check(path: path, expected: file.sha256, found: SHA256.hex(of: try FileBytes.read(path)))
    }
  }

  private func unexpected(_ path: String, _ found: String, _ expected: String) -> DataError {
    DataError("\(path): \(found) were found, \(name) has \(expected)")
  }

  private static func lastName(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }
}
