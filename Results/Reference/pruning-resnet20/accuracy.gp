set terminal svg size 720,614 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "share" noenhanced
set ylabel "test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "test.accuracy (%) against share, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [-0.045000000000000005:0.9450000000000001]
set xtics ("0" 0.0, "0.3" 0.3, "0.5" 0.5, "0.7" 0.7, "0.9" 0.9) noenhanced
$line0 << EOD
0.0 42.059999999999995 1.4496128059883404
0.3 39.12 2.5482865985680903
0.5 37.2 2.201985292536989
0.7 32.34 1.1057085878102066
0.9 25.86 1.381543014795767
EOD
$line1 << EOD
0.3 39.24 1.5146265126557799
0.5 37.1 2.439482693097143
0.7 32.86 1.9447011146497364
0.9 26.68 2.035344473222605
EOD
$line2 << EOD
0.3 39.540000000000006 2.1009453857581417
0.5 37.86 2.754983530236663
0.7 33.94 1.817670565626502
0.9 28.12 1.3584734788979569
EOD
$line3 << EOD
0.3 39.46 1.6132077887633944
0.5 37.92 1.56420097551399
0.7 34.06 0.8718214472164745
0.9 27.92 1.5318329789212042
EOD
$line4 << EOD
0.0 42.059999999999995 1.4496128059883404
0.3 40.48 1.3753916087435525
0.5 39.580000000000005 0.9673829629739528
0.7 36.7 0.5194253168417843
0.9 33.24 0.6834793587109375
EOD
$line5 << EOD
0.0 45.540000000000006 1.2558619600009258
0.3 43.04 1.2310646137388404
0.5 40.44 2.521220074552592
0.7 35.96 1.243525099420461
0.9 29.68 1.4003856269620087
EOD
plot $line0 using ($1+(-0.036000000000000004)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "pruning-resnet20-sweep, l1", \
     $line1 using ($1+(-0.0216)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "pruning-resnet20-sweep, random", \
     $line2 using ($1+(-0.007199999999999999)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "pruning-resnet20-sweep, taylor", \
     $line3 using ($1+(0.007199999999999999)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "pruning-resnet20-sweep, relevance", \
     $line4 using ($1+(0.021600000000000005)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "pruning-resnet20-scratch-sweep, l1", \
     $line5 using ($1+(0.036000000000000004)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "pruning-resnet20-retrain-sweep, l1"
